/**
 * The same triggers, without lists: SQLite makes a table of each list of more than two values, anew
 * for each row that is changed.
 */
const isActive = (row: 'old' | 'new') =>
  `(${row}.status = 'Processing' or ${row}.status = 'Submitted' or ${row}.status = 'Running')`

const counts = (queued: (row: 'old' | 'new') => string) =>
  `queued = queued - (${queued('old')}) + (${queued('new')}),
    active = active - ${isActive('old')} + ${isActive('new')}`

export const cheapTriggers = `
drop trigger jobs_walk;
create trigger jobs_walk before update of status on jobs
when old.status <> new.status and not case old.status
  when 'Queued' then new.status = 'Processing' or new.status = 'Failed' or new.status = 'Killed'
  when 'Processing' then new.status = 'Submitted' or new.status = 'Queued'
    or new.status = 'Failed' or new.status = 'Invalid' or new.status = 'Killed'
  when 'Submitted' then new.status = 'Running' or new.status = 'Completed'
    or new.status = 'Queued' or new.status = 'Failed' or new.status = 'Invalid'
    or new.status = 'Killed'
  when 'Running' then new.status = 'Completed' or new.status = 'Queued'
    or new.status = 'Failed' or new.status = 'Invalid' or new.status = 'Killed'
  when 'Cleaned' then false
  else new.status = 'Cleaned'
end
begin
  select raise(abort, 'a job cannot take this step');
end;

drop trigger jobs_attempt;
create trigger jobs_attempt before update of attempt on jobs
when new.attempt <> old.attempt and new.attempt <> old.attempt + 1
begin
  select raise(abort, 'attempts are numbered one by one');
end;

drop trigger jobs_count_update;
create trigger jobs_count_update after update of status, retry_at_ms on jobs
when (old.status = 'Queued') <> (new.status = 'Queued')
  or (old.retry_at_ms is null) <> (new.retry_at_ms is null)
  or ${isActive('old')} <> ${isActive('new')}
begin
  update services set ${counts((row) => `${row}.status = 'Queued'`)}
    where service = new.service;
  update turns set ${counts((row) => `${row}.status = 'Queued' and ${row}.retry_at_ms is null`)}
    where service = new.service and user_id = new.user_id;
end;
`
