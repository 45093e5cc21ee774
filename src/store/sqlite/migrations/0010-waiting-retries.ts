/** Without a list, of which SQLite would make a table for each row. */
const isActive = (row: 'old' | 'new') =>
  `(${row}.status = 'Processing' or ${row}.status = 'Submitted' or ${row}.status = 'Running')`

/**
 * What backs off is counted as well, apart from what may start: together they are what a user has
 * waiting in a service, which may be limited.
 */
export const waitingRetries = `
alter table turns add column retrying integer not null default 0 check (retrying >= 0);

update turns set retrying = found.retrying
from (
  select service, user_id, count(*) as retrying from jobs
  where retry_at_ms is not null group by service, user_id
) as found
where found.service = turns.service and found.user_id = turns.user_id;

drop trigger jobs_count_insert;

create trigger jobs_count_insert after insert on jobs
begin
  insert into services (service, queued) values (new.service, 1)
    on conflict do update set queued = queued + 1;
  insert into turns (service, user_id, queued, retrying, first_job)
    values (new.service, new.user_id, new.retry_at_ms is null, new.retry_at_ms is not null, new.id)
    on conflict do update set
      queued = queued + excluded.queued, retrying = retrying + excluded.retrying;
end;

drop trigger jobs_count_update;

create trigger jobs_count_update after update of status, retry_at_ms on jobs
when (old.status = 'Queued') <> (new.status = 'Queued')
  or (old.retry_at_ms is null) <> (new.retry_at_ms is null)
  or ${isActive('old')} <> ${isActive('new')}
begin
  update services set
    queued = queued - (old.status = 'Queued') + (new.status = 'Queued'),
    active = active - ${isActive('old')} + ${isActive('new')}
    where service = new.service;
  update turns set
    queued = queued - (old.status = 'Queued' and old.retry_at_ms is null)
      + (new.status = 'Queued' and new.retry_at_ms is null),
    retrying = retrying - (old.status = 'Queued' and old.retry_at_ms is not null)
      + (new.status = 'Queued' and new.retry_at_ms is not null),
    active = active - ${isActive('old')} + ${isActive('new')}
    where service = new.service and user_id = new.user_id;
end;
`
