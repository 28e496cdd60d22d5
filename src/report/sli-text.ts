import { percentText } from '../error-budget/policy.ts';
import type { ReportSli } from './report.ts';

/** `availability 99.95%: 99.91%, -80% of the budget left over 30d, burned 1.8x; 0.4x in the last 7 days`. */
export function sliText(sli: ReportSli, window: string): string {
  const name = `${sli.sli} ${sli.objective}%`;
  if (sli.remaining === null) return `${name}: unknown; ${sli.unknown ?? ''}`;
  const value = `${Number(((sli.value ?? 0) * 100).toFixed(4))}%`;
  const recent = sli.recentBurn === null ? '' : `; ${rate(sli.recentBurn)} in the last 7 days`;
  const other =
    sli.datadogObjective === null ? '' : ` (based on the SLO's own objective, ${sli.datadogObjective}%)`;
  return `${name}: ${value}, ${percentText(sli.remaining)} of the budget left over ${window}, burned at ${rate(sli.burn ?? 0)}${recent}${other}`;
}

function rate(burn: number): string {
  return `${Number(burn.toPrecision(2))}x`;
}
