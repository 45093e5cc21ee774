/** Which job is to lose its files next is one look-up, however many there are. */
export const ages = `
create index jobs_ages on jobs (final_at_ms)
  where final_at_ms is not null and status <> 'Cleaned';
`
