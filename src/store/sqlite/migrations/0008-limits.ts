/** What an upload asked for as the most that its script may use; see `LimitValues`. */
export const limits = `
alter table jobs add column limits text check (json_type(limits) = 'object');
`
