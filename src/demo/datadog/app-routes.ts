/** One route of the simulated matching app. */
export interface AppRoute {
  readonly service: string;
  /** The span's operation, which follows from the service's framework. */
  readonly operation: string;
  /** Method and path, as the framework reports them: `GET /api/v1/users/:user_id`. */
  readonly route: string;
  /** Relative weight in the traffic of the whole app. */
  readonly weight: number;
  readonly medianMs: number;
  /** Share of requests that end in a 4XX, and its code: errors of users, not of the app. */
  readonly clientErrors: readonly [status: number, ratio: number];
}

const OPERATIONS: Readonly<Record<string, string>> = {
  'member-api': 'http.request',
  'matching-api': 'express.request',
  'payment-api': 'servlet.request',
};

type EvidenceThreshold = readonly [
  route: string,
  weight: number,
  medianMs: number,
  status?: number,
  ratio?: number,
];

/** Weights add up to about 100, so they read as percent: all of sign-up is 1%, its last step a tenth of that. */
const LINES: Readonly<Record<string, readonly EvidenceThreshold[]>> = {
  'member-api': [
    ['POST /api/v1/signup', 0.47, 140, 422, 0.03],
    ['POST /api/v1/signup/phone', 0.43, 110, 422, 0.02],
    // Rare: the carrier confirms most numbers, and they need no code.
    ['POST /api/v1/signup/phone/verify', 0.1, 90, 401, 0.06],
    ['POST /api/v1/login', 1.6, 120, 401, 0.05],
    ['POST /api/v1/token/refresh', 5.2, 35, 401, 0.01],
    ['GET /api/v1/me', 9.5, 30, 401, 0.004],
    ['GET /api/v1/profile', 2.4, 40, 404, 0.001],
    ['PUT /api/v1/profile', 0.7, 90, 422, 0.02],
    ['POST /api/v1/profile/photos', 0.35, 420, 413, 0.02],
    ['DELETE /api/v1/profile/photos/:photo_id', 0.12, 60, 404, 0.01],
    ['POST /api/v1/identity/documents', 0.12, 650, 422, 0.05],
    ['GET /api/v1/identity/status', 0.45, 35, 404, 0.01],
    ['GET /api/v1/entitlements', 3.6, 25, 401, 0.002],
    ['GET /healthz', 14, 2],
    ['GET /api/v1/config', 6.2, 8],
    ['GET /api/v1/ads/banner', 7.8, 22, 404, 0.02],
    ['GET /api/v0/home', 2.1, 160, 410, 0.01],
  ],
  'matching-api': [
    ['GET /api/v1/recommendations', 7.4, 180],
    ['GET /api/v1/users/:user_id', 8.6, 60, 404, 0.01],
    ['GET /api/v1/search', 2.6, 210, 400, 0.005],
    ['GET /api/v1/search/conditions', 1.1, 25],
    ['PUT /api/v1/search/conditions', 0.35, 45, 422, 0.01],
    ['POST /api/v1/users/:user_id/likes', 3.8, 55, 409, 0.02],
    ['GET /api/v1/likes/received', 2.3, 70],
    ['GET /api/v1/matches', 2.7, 65],
    ['GET /api/v1/conversations', 3.9, 70],
    ['GET /api/v1/conversations/:conversation_id/messages', 4.8, 55, 404, 0.003],
    ['POST /api/v1/conversations/:conversation_id/messages', 2.9, 75, 403, 0.01],
    ['POST /api/v1/users/:user_id/reports', 0.07, 80, 422, 0.01],
    ['PUT /api/v1/users/:user_id/block', 0.11, 50, 404, 0.005],
    ['GET /healthz', 2.6, 2],
  ],
  'payment-api': [
    ['GET /api/v1/plans', 0.55, 30],
    ['POST /api/v1/subscriptions', 0.14, 380, 402, 0.04],
    ['POST /api/v1/receipts/verify', 0.32, 290, 400, 0.02],
    ['GET /actuator/health', 0.7, 3],
  ],
};

/** Every route of the app: those of the ten CUJs, and busy ones that are in none. */
export const APP_ROUTES: readonly AppRoute[] = Object.entries(LINES).flatMap(([service, lines]) =>
  lines.map(([route, weight, medianMs, status = 404, ratio = 0]) => {
    const operation = OPERATIONS[service]!;
    return { service, operation, route, weight, medianMs, clientErrors: [status, ratio] as const };
  }),
);
