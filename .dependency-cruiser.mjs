/**
 * Who may import whom: an allow-list. An import that no line below names is an error. docs/development/architecture.md
 * explains the rooms; a new room needs a line here.
 */

/**
 * `rooms` and `libraries` are what a room may import besides itself, `lazyRooms` what it may import by `import()` alone;
 * `io` gives it all of Node's own modules, `modules` some of them.
 */
const rooms = [
  { room: 'domain/statistics' },
  { room: 'domain', libraries: ['typebox'] },
  // Of every backend, which imports no other one: NAME is the same in a whole line.
  { room: 'sources/NAME/query', rooms: ['domain', 'suggestions'] },
  { room: 'sources/NAME/settings.ts', rooms: ['domain', 'sources/NAME/query'] },
  {
    room: 'sources/NAME/backend.ts',
    rooms: ['domain', 'sources/NAME/settings.ts', 'sources/NAME/query'],
    // Every command loads all definitions, and must not load the clients of all backends with them.
    lazyRooms: ['sources/NAME/api'],
  },
  {
    room: 'sources/NAME/api',
    rooms: ['domain', 'sources/NAME/settings.ts', 'sources/NAME/query', 'sources/transport'],
    libraries: ['undici'],
    io: true,
  },
  // A client of its own is a line of its own.
  { room: 'sources/datadog/api', libraries: ['@datadog'] },
  { room: 'sources/transport', rooms: ['domain'], libraries: ['undici'], io: true },
  {
    room: 'sources/decorators',
    rooms: ['domain'],
    libraries: ['lru-cache', 'pino', 'prom-client'],
    io: true,
  },
  {
    room: 'sources/redis-cache',
    rooms: ['domain', 'sources/decorators'],
    libraries: ['ioredis', 'prom-client'],
    io: true,
  },
  {
    room: 'verdict-history',
    rooms: ['domain', 'sources/redis-cache'],
    libraries: ['lru-cache', 'prom-client'],
    io: true,
  },
  {
    room: 'verdict-events',
    rooms: ['domain', 'sources/redis-cache'],
    libraries: ['lru-cache', 'prom-client'],
    io: true,
  },
  { room: 'sources/dialects', rooms: ['domain', 'sources/*/backend.ts'] },
  { room: 'evaluation', rooms: ['domain', 'suggestions'], libraries: ['lru-cache'] },
  { room: 'generate', rooms: ['domain', 'sources/*/query'], libraries: ['yaml'], modules: ['crypto'] },
  { room: 'lint', rooms: ['domain', 'suggestions'], libraries: ['yaml'], modules: ['vm'] },
  { room: 'migrate', libraries: ['yaml'] },
  { room: 'doctor', rooms: ['domain', 'sources/*/query', 'suggestions'] },
  { room: 'plan', rooms: ['domain'] },
  { room: 'backtest', rooms: ['domain', 'evaluation'] },
  { room: 'report', rooms: ['domain', 'error-budget'] },
  { room: 'pull-request', rooms: ['domain', 'backtest'] },
  { room: 'github', rooms: ['pull-request'], io: true },
  { room: 'init', rooms: ['domain', 'sources/*/query'], libraries: ['yaml'] },
  // "Did you mean": the same for all who suggest a name.
  { room: 'suggestions', libraries: ['fastest-levenshtein'] },
  { room: 'files', rooms: ['domain'], io: true },
  {
    room: 'registry-files',
    rooms: ['domain', 'files', 'sources/dialects', 'suggestions'],
    libraries: ['ajv', 'yaml', 'js-yaml'],
    io: true,
  },
  { room: 'auth', rooms: ['domain', 'files'], libraries: ['jose', 'prom-client', 'undici'], io: true },
  { room: 'settings', rooms: ['domain', 'auth', 'sources/dialects', 'suggestions'], io: true },
  { room: 'error-budget', rooms: ['domain'], libraries: ['prom-client'] },
  { room: 'tracing', rooms: ['domain', 'evaluation'], libraries: ['@opentelemetry'], io: true },
  {
    room: 'http',
    rooms: ['domain', 'evaluation', 'report', 'suggestions'],
    libraries: [
      'fastify',
      '@fastify',
      'typebox',
      'pino',
      'prom-client',
      'lru-cache',
      'preact',
      'preact-render-to-string',
      'd3-scale',
      'd3-shape',
    ],
    io: true,
  },
  // The demo shares nothing with what it checks, the bundler nothing with what it bundles.
  { room: 'demo', rooms: ['domain'], io: true },
  { room: 'bundle', libraries: ['esbuild', '@cyclonedx'], io: true },
];

const pathOf = (room) =>
  `^src/${room.replaceAll('*', '[^/]+').replace(/\.ts$/, '\\.ts')}${room.endsWith('.ts') ? '$' : '/'}`;
const roomPath = (room) => pathOf(room.replace('NAME', '([^/]+)'));
/** Of what a room may import: its own NAME again. */
const otherPath = (room) => pathOf(room.replace('NAME', '$1'));
const libraryPath = (name) => `(^|/)node_modules/${name.replaceAll('.', '\\.')}(/|$)`;

function allowedOf({ room, rooms: others = [], lazyRooms = [], libraries = [], modules = [], io = false }) {
  // The mathematics is a room of its own inside the domain, which may not import the rest of it.
  const from = {
    path: roomPath(room),
    ...(room === 'domain' ? { pathNot: roomPath('domain/statistics') } : {}),
  };
  const paths = [...[room, ...others].map(otherPath), ...libraries.map(libraryPath)];
  paths.push(...modules.map((name) => `^${name}$`));
  return [
    { from, to: { path: paths } },
    ...lazyRooms.map((lazy) => ({ from, to: { path: otherPath(lazy), dynamic: true } })),
    ...(io ? [{ from, to: { dependencyTypes: ['core'] } }] : []),
  ];
}

export default {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    // Everything else reads YAML with yaml: docs/adr/0013-two-yaml-parsers-for-registries.md.
    {
      name: 'js-yaml-for-registries-alone',
      severity: 'error',
      from: { pathNot: roomPath('registry-files') },
      to: { path: libraryPath('js-yaml') },
    },
  ],
  allowedSeverity: 'error',
  allowed: [
    ...rooms.flatMap(allowedOf),
    // The only room that wires: it may import everything.
    { from: { path: '^src/server/' }, to: {} },
    // The verbs of the CLI reach a backend through server/.
    { from: { path: '^src/commands/' }, to: { pathNot: ['^src/bundle/', '^src/sources/[^/]+/api/'] } },
    {
      from: { path: '^src/(bin|cli)\\.ts$' },
      to: {
        path: [
          '^src/(cli\\.ts$|commands/|suggestions/|registry-files/worker\\.ts$|domain/)',
          '^package\\.json$',
          libraryPath('commander'),
        ],
      },
    },
    { from: { path: '^src/(bin|cli)\\.ts$' }, to: { dependencyTypes: ['core'] } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    parser: 'tsc',
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
