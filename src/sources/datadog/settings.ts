import { baseUrl, keyText, oneOf, type SettingRows, type ValuesOf } from '../../domain/setting.ts';
import { type DatadogSite, datadogSites } from './query/sites.ts';

export interface DatadogSettings {
  /** Undefined where neither DD_API_KEY nor DD_API_KEY_FILE is set. Never logged. */
  readonly apiKey: string | undefined;
  readonly appKey: string | undefined;
  readonly site: DatadogSite;
  /** Base URL that replaces the site's, without a trailing slash. */
  readonly url: string | undefined;
}

export const datadogRows = {
  DD_API_KEY: {
    required: true,
    default: undefined,
    description:
      "Datadog API key. Or DD_API_KEY_FILE, a file with it. Required by 'serve' with the backend datadog, and where a source names it.",
    read: keyText,
    secret: true,
  },
  DD_APP_KEY: {
    required: true,
    default: undefined,
    description:
      "Datadog application key with the scope timeseries_query. Or DD_APP_KEY_FILE. Required by 'serve' with the backend datadog, and where a source names it.",
    read: keyText,
    secret: true,
  },
  DD_SITE: {
    default: 'datadoghq.com',
    description: `Datadog site: ${datadogSites.join(', ')}.`,
    read: oneOf(datadogSites),
  },
  DD_URL: {
    default: undefined,
    description:
      "Base URL that replaces the site's, for a reverse proxy or a simulator. HTTPS_PROXY is not read.",
    read: baseUrl('https://datadog-proxy.example.com'),
  },
} as const satisfies SettingRows;

export function readDatadogSettings(values: ValuesOf<typeof datadogRows>): DatadogSettings {
  return {
    apiKey: values.DD_API_KEY,
    appKey: values.DD_APP_KEY,
    // It has a default: undefined only with a problem, and then nothing is opened.
    site: values.DD_SITE as DatadogSite,
    url: values.DD_URL,
  };
}
