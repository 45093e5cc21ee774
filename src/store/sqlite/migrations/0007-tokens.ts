/**
 * API tokens, by the hashes of them. A row is never removed: a server that had a token once is not
 * open again when the last one is revoked. A name may be given again when its token is revoked.
 */
export const tokens = `
create table tokens (
  id text primary key check (id glob '[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]'),
  name text not null check (length(name) between 1 and 64),
  hash blob not null unique check (length(hash) = 32),
  scopes text not null check (length(scopes) > 0),
  user_id text check (length(user_id) > 0),
  service text check (length(service) > 0),
  created_at_ms integer not null,
  expires_at_ms integer check (expires_at_ms > created_at_ms),
  revoked_at_ms integer
) strict, without rowid;

create unique index tokens_names on tokens (name) where revoked_at_ms is null;
`
