/** A step between two active statuses changes no count: most steps are. */
export const fewerCounts = `
drop trigger jobs_count_update;

create trigger jobs_count_update after update of status, retry_at_ms on jobs
when (old.status = 'Queued') <> (new.status = 'Queued')
  or (old.retry_at_ms is null) <> (new.retry_at_ms is null)
  or (old.status in ('Processing', 'Submitted', 'Running'))
    <> (new.status in ('Processing', 'Submitted', 'Running'))
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
