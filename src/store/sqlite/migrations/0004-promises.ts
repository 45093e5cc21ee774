/**
 * What an upload may ask for: to be run again when its script fails, to be ended after a time, and
 * to be one job however often it is sent. The key of a user's upload is unique until the job is
 * `Cleaned`; the fingerprint tells whether what comes under it again is the same.
 */
export const promises = `
alter table jobs add column script_attempts integer not null default 1
  check (script_attempts between 1 and 100);
alter table jobs add column failed_attempts integer not null default 0
  check (failed_attempts >= 0);
alter table jobs add column max_runtime_ms integer check (max_runtime_ms > 0);
alter table jobs add column idempotency_key text check (length(idempotency_key) between 1 and 255);
alter table jobs add column upload_fingerprint text check (length(upload_fingerprint) = 64);

create unique index jobs_idempotency on jobs (user_id, idempotency_key)
  where idempotency_key is not null;
`
