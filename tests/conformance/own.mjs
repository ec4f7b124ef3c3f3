// Tests of our own, in the form of the public suite and run by its client: what its published version lacks
// (RFC 9213, stale-while-revalidate), and what it asks otherwise than RFC 9111 does.
const passed = false; // third member of a field: not compared with what the client gets

/// A response with `fields`, then, three seconds later, the same request, answered as `type` says.
const twice = (id, name, type, fields) => ({
  id,
  name,
  requests: [
    { response_headers: fields, setup: true, pause_after: true },
    { expected_type: type },
  ],
});

const targeted = {
  name: 'Own: targeted fields (RFC 9213, section 2.2)',
  id: 'own-targeted',
  tests: ['CDN-Cache-Control', 'Meshcache-Cache-Control'].flatMap((field) => {
    const prefix = `own-${field.split('-')[0].toLowerCase()}`;
    const says = (value) => [field, value, passed];
    const rows = [
      ['max-age', 'max-age is obeyed', 'cached', [says('max-age=60')]],
      ['over-short', 'it comes before a shorter Cache-Control', 'cached', [['Cache-Control', 'max-age=1'], says('max-age=60')]],
      ['over-long', 'it comes before a longer Cache-Control', 'not_cached', [['Cache-Control', 'max-age=60'], says('max-age=1')]],
      ['over-no-store', 'it comes before no-store', 'cached', [['Cache-Control', 'no-store'], says('max-age=60')]],
      ['expires', 'Expires does not count beside it', 'not_cached', [says('public'), ['Expires', 60], ['Date', 0]]],
      ['age', 'Age counts as elsewhere', 'not_cached', [says('max-age=60'), ['Age', '120'], ['Date', 0]]],
      ['no-store', 'no-store is obeyed', 'not_cached', [['Cache-Control', 'max-age=60'], says('no-store')]],
      ['private', 'private is obeyed', 'not_cached', [['Cache-Control', 'max-age=60'], says('private, max-age=60')]],
      ['no-cache', 'no-cache is obeyed', 'not_cached', [['Cache-Control', 'max-age=60'], says('no-cache, max-age=60')]],
      ['unknown', 'an unknown directive is passed over', 'cached', [says('x;y=1, max-age=60')]],
      ['malformed', 'a malformed one does not count, and no-store does', 'not_cached', [['Cache-Control', 'no-store'], says('max-age=60, &&&')]],
      ['malformed-else', 'a malformed one does not count, and max-age does', 'cached', [['Cache-Control', 'max-age=60'], says('no-store, =')]],
      ['wrong-type', 'a lifetime that is no integer is none', 'not_cached', [['Cache-Control', 'no-store'], says('max-age="60"')]],
    ];
    return rows.map(([id, name, type, fields]) => twice(`${prefix}-${id}`, `${field}: ${name}`, type, fields));
  }).concat([
    twice('own-meshcache-over-cdn', 'Meshcache-Cache-Control comes before CDN-Cache-Control', 'cached', [
      ['CDN-Cache-Control', 'no-store', passed], ['Meshcache-Cache-Control', 'max-age=60', passed],
    ]),
    {
      id: 'own-cdn-passed-on',
      name: 'CDN-Cache-Control is passed on, since the next cache may be a CDN',
      requests: [
        {
          response_headers: [['Cache-Control', 'max-age=60'], ['CDN-Cache-Control', 'max-age=60', passed]],
          expected_response_headers: [['CDN-Cache-Control', 'max-age=60']],
        },
      ],
    },
  ]),
};

const aged = (id, name, type, ...ages) => twice(`own-age-${id}`, name, type, [
  ['Date', 0], ['Cache-Control', 'max-age=3600'], ...ages.map((age) => ['Age', age, passed]),
]);
const age = {
  name: 'Own: Age (RFC 9111, section 5.1)',
  id: 'own-age',
  tests: [
    aged('letters', 'Age that is no number is ignored', 'cached', 'abc'),
    aged('negative', 'a negative Age is ignored', 'cached', '-7200'),
    aged('float', 'a fractional Age is ignored', 'cached', '7200.0'),
    aged('first', 'the first member of a list counts', 'cached', '0, 7200'),
    aged('first-old', 'the first member of a list counts, if it is old, too', 'not_cached', '7200, 0'),
    aged('first-line', 'the first of several lines counts', 'cached', '0', '7200'),
    aged('first-line-old', 'the first of several lines counts, if it is old, too', 'not_cached', '7200', '0'),
    aged('repeated', 'Age that is repeated counts once', 'cached', '1800', '1800'),
    aged('31-bits', 'an Age of 2^31 is old', 'not_cached', '2147483648'),
    aged('huge', 'an Age that fits in no integer is old', 'not_cached', '99999999999999999999'),
  ],
};

/// The origin drops the connection on a response that must not be served stale: the client gets an error of
/// the cache's own.
const refused = (directive) => ({
  id: `own-stale-refused-${directive.replace(/=.*/, '')}`,
  name: `${directive} keeps a stale response from being served when the origin drops the connection`,
  requests: [
    { response_headers: [['Cache-Control', `max-age=1, ${directive}`]], setup: true, pause_after: true },
    {
      disconnect: true,
      expected_status: 502,
      check_body: false,
      expected_response_headers_missing: ['server-request-count'],
    },
  ],
});
const stale = {
  name: 'Own: serving stale (RFC 9111, section 4.2.4; RFC 5861)',
  id: 'own-stale',
  tests: [
    ...['must-revalidate', 'proxy-revalidate', 'no-cache', 's-maxage=1'].map(refused),
    twice('own-stale-while-revalidate', 'stale is served within stale-while-revalidate', 'cached', [
      ['Cache-Control', 'max-age=1, stale-while-revalidate=60'], ['ETag', '"a"'],
    ]),
    {
      id: 'own-stale-while-revalidate-fetches',
      name: 'stale-while-revalidate fetches behind the answer: the third request gets what the second fetched',
      requests: [
        { response_headers: [['Cache-Control', 'max-age=1, stale-while-revalidate=60']], setup: true, pause_after: true },
        { response_headers: [['Cache-Control', 'max-age=60', passed]], expected_type: 'cached', pause_after: true },
        { expected_type: 'cached', expected_response_headers: [['Server-Request-Count', '2']] },
      ],
    },
    {
      id: 'own-stale-while-revalidate-over',
      name: 'stale is not served after stale-while-revalidate',
      requests: [
        { response_headers: [['Cache-Control', 'max-age=1, stale-while-revalidate=1']], setup: true, pause_after: true },
        { expected_type: 'not_cached' },
      ],
    },
  ],
};

const understood = {
  name: 'Own: must-understand (RFC 9111, section 5.2.2.3)',
  id: 'own-must-understand',
  tests: [
    twice('own-must-understand-known', 'must-understand takes the place of no-store', 'cached', [
      ['Cache-Control', 'max-age=60, no-store, must-understand'],
    ]),
    {
      id: 'own-must-understand-unknown',
      name: 'a status that nobody knows is not stored',
      requests: [
        { response_status: [599, 'Whatever'], response_headers: [['Cache-Control', 'max-age=60, no-store, must-understand']], setup: true },
        { expected_type: 'not_cached' },
      ],
    },
  ],
};

export default [targeted, age, stale, understood];
