/** What a client holds is one look-up, however many others there are. */
export const openAttempts = `
create index attempts_open on attempts (upload_url) where ended_at_ms is null;
`
