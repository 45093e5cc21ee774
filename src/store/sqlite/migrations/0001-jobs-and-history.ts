/**
 * Jobs, their attempts, their history, and who is next.
 *
 * The database refuses what is impossible: a status that does not fit its data, a step that is not
 * in the walk of a job, an attempt that goes back.
 *
 * `turns` and `services` count by triggers, so that counts always derive from statuses, and so that
 * "who is next" is one look-up, with ten jobs in the queue or with a million.
 */
export const jobsAndHistory = `
create table server (
  id integer primary key check (id = 1),
  server_id text not null check (length(server_id) = 16)
) strict;

insert into server (id, server_id) values (1, lower(hex(randomblob(8))));

create table jobs (
  id integer primary key autoincrement,
  user_id text not null check (length(user_id) between 1 and 128),
  service text not null check (service <> ''),
  status text not null check (status in ('Queued', 'Processing', 'Submitted', 'Running',
    'Completed', 'Failed', 'Invalid', 'Killed', 'Cleaned')),
  message text not null default '',
  attempt integer not null default 0 check (attempt >= 0),
  lost_attempts integer not null default 0 check (lost_attempts between 0 and attempt),
  created_at_ms integer not null,
  changed_at_ms integer not null,
  final_at_ms integer,
  terminate_requested_at_ms integer,
  retry_at_ms integer,
  result_size_bytes integer check (result_size_bytes >= 0),
  result_sha256 text check (length(result_sha256) = 64),
  check ((status in ('Completed', 'Failed', 'Invalid', 'Killed', 'Cleaned'))
    = (final_at_ms is not null)),
  check (status not in ('Processing', 'Submitted', 'Running', 'Completed') or attempt > 0),
  check (status = 'Queued' or retry_at_ms is null),
  check (status <> 'Queued' or terminate_requested_at_ms is null),
  check ((result_size_bytes is null) = (result_sha256 is null)),
  check (status <> 'Completed' or result_sha256 is not null),
  check (final_at_ms is not null or result_sha256 is null)
) strict;

create index jobs_queue on jobs (service, user_id, id)
  where status = 'Queued' and retry_at_ms is null;
create index jobs_queued on jobs (service, id) where status = 'Queued';
create index jobs_retry on jobs (retry_at_ms) where retry_at_ms is not null;
create index jobs_active on jobs (id) where status in ('Processing', 'Submitted', 'Running');

create trigger jobs_walk before update of status on jobs
when old.status <> new.status and old.status || '>' || new.status not in (
  'Queued>Processing', 'Queued>Failed', 'Queued>Killed',
  'Processing>Queued', 'Processing>Submitted', 'Processing>Failed', 'Processing>Invalid',
  'Processing>Killed',
  'Submitted>Queued', 'Submitted>Running', 'Submitted>Completed', 'Submitted>Failed',
  'Submitted>Invalid', 'Submitted>Killed',
  'Running>Queued', 'Running>Completed', 'Running>Failed', 'Running>Invalid', 'Running>Killed',
  'Completed>Cleaned', 'Failed>Cleaned', 'Invalid>Cleaned', 'Killed>Cleaned')
begin
  select raise(abort, 'a job cannot take this step');
end;

create trigger jobs_attempt before update of attempt on jobs
when new.attempt not in (old.attempt, old.attempt + 1)
begin
  select raise(abort, 'attempts are numbered one by one');
end;

create trigger jobs_stay before delete on jobs
begin
  select raise(abort, 'the record of a job stays');
end;

create table attempts (
  job_id integer not null references jobs (id),
  number integer not null check (number > 0),
  key text not null unique,
  upload_url text not null,
  download_url text not null,
  terminate_url text not null,
  instance text,
  payload_id integer,
  claimed_at_ms integer not null,
  submitted_at_ms integer,
  started_at_ms integer,
  ended_at_ms integer,
  outcome text,
  primary key (job_id, number),
  check ((ended_at_ms is null) = (outcome is null)),
  check (started_at_ms is null or submitted_at_ms is not null)
) strict, without rowid;

create table history (
  id integer primary key,
  job_id integer not null references jobs (id),
  at_ms integer not null,
  from_status text,
  to_status text not null,
  attempt integer not null,
  client text,
  reason text not null
) strict;

create index history_of_job on history (job_id, id);

create table services (
  service text primary key,
  queued integer not null default 0 check (queued >= 0),
  active integer not null default 0 check (active >= 0),
  starts integer not null default 0
) strict, without rowid;

create table turns (
  service text not null,
  user_id text not null,
  queued integer not null default 0 check (queued >= 0),
  active integer not null default 0 check (active >= 0),
  last_start integer not null default 0,
  first_job integer not null,
  primary key (service, user_id)
) strict, without rowid;

create index turns_next on turns (service, active, last_start, first_job) where queued > 0;

create trigger jobs_count_insert after insert on jobs
begin
  insert into services (service, queued) values (new.service, 1)
    on conflict do update set queued = queued + 1;
  insert into turns (service, user_id, queued, first_job)
    values (new.service, new.user_id, new.retry_at_ms is null, new.id)
    on conflict do update set queued = queued + excluded.queued;
end;

create trigger jobs_begin before insert on jobs when new.status <> 'Queued'
begin
  select raise(abort, 'a job begins as Queued');
end;

create trigger jobs_count_update after update of status, retry_at_ms on jobs
begin
  update services set
    queued = queued - (old.status = 'Queued') + (new.status = 'Queued'),
    active = active - (old.status in ('Processing', 'Submitted', 'Running'))
      + (new.status in ('Processing', 'Submitted', 'Running'))
    where service = new.service;
  update turns set
    queued = queued - (old.status = 'Queued' and old.retry_at_ms is null)
      + (new.status = 'Queued' and new.retry_at_ms is null),
    active = active - (old.status in ('Processing', 'Submitted', 'Running'))
      + (new.status in ('Processing', 'Submitted', 'Running'))
    where service = new.service and user_id = new.user_id;
end;
`
