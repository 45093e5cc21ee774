/**
 * Which jobs have no directories in them: 2.2.3 clients, which know none, can be given only those.
 * Of jobs that are older than this column it is not known.
 */
export const flatJobs = `
alter table jobs add column is_flat integer not null default 0 check (is_flat in (0, 1));
`
