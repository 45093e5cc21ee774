/**
 * What keeps browsers out of trouble: no answer is taken for something else than it says, shown
 * inside another site's page, embedded by one, or kept by anybody. There is no CORS header: pages of
 * other sites can read nothing.
 */
export const safeHeaders = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  // The API's page says what it needs instead.
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
} as const
