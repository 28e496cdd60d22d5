/**
 * Templates of the notifications of Argo Rollouts, in the language of Go's text/template with the functions of sprig.
 *
 * A message is made by three of them, one after another: what the registry says, what the event is, and the texts for each service.
 * The controller renders the templates of a message with the same variables, and `message` first, so a template hands results on by
 * `set` in the variable `cujGate`. Otherwise each field would need the whole registry.
 */

export type NotifiedEvent = 'failed' | 'inconclusive' | 'recovered';

/** What the registry says about a metric of a generated template. Messages leave out empty texts. */
export interface KnownMetric {
  readonly name: string;
  readonly owner: string;
  readonly runbook: string;
  /** The URL of the verdict's page, without the version. */
  readonly page: string;
  /** The page needs the argument `service` of the analysis run. */
  readonly serviceArg: boolean;
}

/** Fields of a notification of Argo Rollouts; each text is a template. */
export interface NotificationTemplate {
  readonly message: string;
  readonly [service: string]: unknown;
}

/** The text as a string literal of Go, which knows the escapes of JSON. */
const literal = (text: string): string => JSON.stringify(text);

const lines = (...all: readonly string[]): string => all.join('\n');

/**
 * What the registry says: `cujGate.known`, a list of owner, runbook and page by the name of a metric, and `cujGate.params`, the
 * parameters of a verdict's page by the names of the arguments of an analysis run.
 */
export function registryTemplate(
  metrics: readonly KnownMetric[],
  params: ReadonlyMap<string, string>,
): NotificationTemplate {
  const known = metrics.map(({ name, owner, runbook, page, serviceArg }) => {
    const values = [owner, runbook, page].map(literal).join(' ');
    return `  ${literal(name)} (list ${values}${serviceArg ? ' true' : ''})`;
  });
  return {
    message: lines(
      '{{- $known := dict',
      ...known,
      '-}}',
      '{{- $params := dict',
      ...[...params].map(([arg, param]) => `  ${literal(arg)} ${literal(param)}`),
      '-}}',
      '{{- $_ := set . "cujGate" (dict "known" $known "params" $params) -}}',
    ),
  };
}

interface EventText {
  readonly title: string;
  /** One `%s`: the revision. */
  readonly sentence: string;
  readonly emoji: string;
  /** Of Teams: RGB for its old cards, a word for adaptive ones. */
  readonly color: string;
  readonly adaptiveColor: string;
  /** A condition of a template: whether to report this analysis run. The newest one is taken. */
  readonly run: string;
  /** Phases of its metrics to show. */
  readonly phases: readonly string[];
  /** What to type. Two `%s`: the namespace and the name of the Rollout. */
  readonly commands: readonly { readonly label: string; readonly command: string }[];
}

const texts: Readonly<Record<NotifiedEvent, EventText>> = {
  failed: {
    title: 'Failed',
    sentence:
      'The analysis failed, so Argo Rollouts aborted revision %s and returns all traffic to the stable version.',
    emoji: ':red_circle:',
    color: 'D13438',
    adaptiveColor: 'Attention',
    // The Rollout's message has that of the run that aborted it, which tells it from a run before a retry.
    run: 'and (has (print .status.phase) (list "Failed" "Error")) .status.message (contains (print .status.message) (print $.rollout.status.message))',
    phases: ['Failed', 'Error'],
    commands: [
      {
        label: 'Retry, if the cause was outside the release',
        command: 'kubectl argo rollouts -n %s retry rollout %s',
      },
    ],
  },
  inconclusive: {
    title: 'Waits for a person',
    sentence:
      'The analysis of revision %s was inconclusive, so Argo Rollouts paused the rollout. The canary keeps its share of the traffic until you decide.',
    emoji: ':large_yellow_circle:',
    color: 'F2C811',
    adaptiveColor: 'Warning',
    run: 'eq (print .status.phase) "Inconclusive"',
    phases: ['Inconclusive'],
    commands: [
      { label: 'Abort, if in doubt', command: 'kubectl argo rollouts -n %s abort %s' },
      {
        label: 'Measure again',
        command:
          'kubectl -n %s patch rollout %s --type=merge --subresource=status -p "status: {pauseConditions: null}"',
      },
      { label: 'Promote, which skips the analysis', command: 'kubectl argo rollouts -n %s promote %s' },
    ],
  },
  recovered: {
    title: 'Back to normal',
    sentence: 'Revision %s is healthy and has all traffic.',
    emoji: ':large_green_circle:',
    color: '13A10E',
    adaptiveColor: 'Good',
    run: '.status.metricResults',
    phases: ['Successful', 'Failed', 'Error', 'Inconclusive'],
    commands: [],
  },
};

/** What the event is: its words in `cujGate`, and the analysis run to report, `cujGate.run`. */
export function eventTemplate(event: NotifiedEvent): NotificationTemplate {
  const { title, sentence, emoji, color, adaptiveColor, run, phases, commands } = texts[event];
  const put = (name: string, value: string) => `{{- $_ := set .cujGate ${literal(name)} ${value} -}}`;
  return {
    message: lines(
      '{{- $namespace := .rollout.metadata.namespace -}}{{- $name := .rollout.metadata.name -}}',
      '{{- $revision := "" -}}',
      '{{- with .rollout.metadata.annotations -}}{{- $revision = index . "rollout.argoproj.io/revision" | print -}}{{- end -}}',
      '{{- $run := dict -}}{{- range .analysisRuns -}}',
      `  {{- if $run -}}{{- else if ${run} -}}{{- $run = . -}}{{- end -}}`,
      '{{- end -}}',
      put('run', '$run'),
      put('phases', `(list ${phases.map(literal).join(' ')})`),
      put('event', literal(event)),
      put('revision', '$revision'),
      put('title', `(printf ${literal(`${title}: %s/%s`)} $namespace $name)`),
      put('sentence', `(printf ${literal(sentence)} $revision)`),
      put('emoji', literal(emoji)),
      put('color', literal(color)),
      put('adaptiveColor', literal(adaptiveColor)),
      '{{- $commands := list -}}',
      ...commands.map(
        ({ label, command }) =>
          `{{- $commands = append $commands (dict "label" ${literal(label)} "command" (printf ${literal(command)} $namespace $name)) -}}`,
      ),
      put('commands', '$commands'),
    ),
  };
}

/** Metrics that a message shows; it counts the others. Slack takes 50 blocks. */
const maxShown = 10;

/**
 * The texts for each service, of what the two templates before have left. `cujGate.measured` is the list of metrics to show
 * (`metric`, `text`; where known `owner`, `runbook`, `page`), `cujGate.more` the number of those that are left out.
 */
export function messageTemplate(): NotificationTemplate {
  const teams = {
    title: '{{ .cujGate.title }}',
    summary: '{{ .cujGate.title }}',
    text: '{{ .cujGate.sentence }}',
    sections: lines(...teamsSections),
  };
  return {
    message: lines(...measured, ...plainText),
    slack: { blocks: lines(...slackBlocks) },
    teams: { themeColor: '{{ .cujGate.color }}', ...teams },
    'teams-workflows': { themeColor: '{{ .cujGate.adaptiveColor }}', ...teams },
    webhook: { 'cuj-gate': { method: 'POST', body: lines(...webhookBody) } },
  };
}

const measured = [
  '{{- $gate := .cujGate -}}',
  '{{- $query := list -}}{{- $service := list -}}',
  '{{- with $gate.run.spec -}}{{- range $arg := .args -}}{{- if $arg.value -}}',
  '  {{- with index $gate.params $arg.name -}}{{- $query = append $query (print . "=" (urlquery $arg.value)) -}}{{- end -}}',
  '  {{- if eq $arg.name "service" -}}{{- $service = list (print "service=" (urlquery $arg.value)) -}}{{- end -}}',
  '{{- end -}}{{- end -}}{{- end -}}',
  '{{- $measured := list -}}{{- $more := 0 -}}',
  '{{- with $gate.run.status -}}{{- range .metricResults -}}{{- if and (has (print .phase) $gate.phases) (not .dryRun) -}}',
  `{{- if ge (len $measured) ${maxShown} -}}{{- $more = add1 $more -}}{{- else -}}`,
  '  {{- $last := dict -}}{{- range .measurements -}}{{- $last = . -}}{{- end -}}',
  '  {{- $text := print (or $last.value $last.message .message "no measurement") -}}',
  '  {{- $value := fromJson (print $last.value) -}}',
  '  {{- if kindIs "string" $value -}}{{- $text = $value -}}{{- end -}}',
  '  {{- /* Text from outside becomes one line, without control sequences of Slack. */ -}}',
  '  {{- $text = regexReplaceAll `[\\s[:cntrl:]]+` $text " " | replace "<" "‹" | replace ">" "›" | trunc 600 -}}',
  '  {{- $one := dict "metric" .name "text" $text -}}',
  '  {{- $about := index $gate.known .name -}}',
  '  {{- /* The text about a service names its worst CUJ, whose owner is the one to ask. */ -}}',
  '  {{- $worst := regexFind `CUJs: [a-z0-9-]+ ` $text | trimPrefix "CUJs: " | trim -}}',
  '  {{- with or (index $gate.known (print "cuj-" $worst)) $about -}}',
  '    {{- with index . 0 -}}{{- $_ := set $one "owner" . -}}{{- end -}}',
  '    {{- with index . 1 -}}{{- $_ := set $one "runbook" . -}}{{- end -}}',
  '  {{- end -}}',
  '  {{- with $about -}}{{- if index . 2 -}}',
  '    {{- $parts := ternary (concat $service $query) $query (gt (len .) 3) -}}',
  '    {{- $page := index . 2 -}}',
  '    {{- if $parts -}}{{- $page = print $page (contains "?" $page | ternary "&" "?") (join "&" $parts) -}}{{- end -}}',
  '    {{- $_ := set $one "page" $page -}}',
  '  {{- end -}}{{- end -}}',
  '  {{- $measured = append $measured $one -}}',
  '{{- end -}}{{- end -}}{{- end -}}{{- end -}}',
  '{{- $_ := set $gate "measured" $measured -}}{{- $_ := set $gate "more" $more -}}',
];

/** For every service that shows plain text, and for what Slack shows outside its window. */
const plainText = [
  '{{ $gate.title }}',
  '{{ $gate.sentence }}',
  '{{- range $measured }}{{ "\\n\\n" }}{{ .metric }}: {{ .text }}',
  '{{- with .owner }}{{ "\\n" }}Owner: {{ . }}{{ end }}',
  '{{- with .runbook }}{{ "\\n" }}Runbook: {{ . }}{{ end }}',
  '{{- with .page }}{{ "\\n" }}Page: {{ . }}{{ end }}{{ end }}',
  '{{- if $more }}{{ "\\n\\n" }}and {{ $more }} more{{ end }}',
  '{{- range $gate.commands }}{{ "\\n\\n" }}{{ .label }}:{{ "\\n" }}{{ .command }}{{ end }}',
];

const slackBlock = (text: string) => `(dict "type" "section" "text" (dict "type" "mrkdwn" "text" (${text})))`;

/** Slack reads `&`, `<` and `>` as control characters; `<` and `>` of outside text are gone already. */
const slackBlocks = [
  `{{- $blocks := list ${slackBlock('print .cujGate.emoji " *" .cujGate.title "*\\n" .cujGate.sentence')} -}}`,
  '{{- range .cujGate.measured -}}',
  '  {{- $text := print "*" .metric "*\\n" (replace "&" "&amp;" .text) -}}',
  '  {{- with .owner -}}{{- $text = print $text "\\nOwner: " (replace "&" "&amp;" .) -}}{{- end -}}',
  '  {{- with .runbook -}}{{- $text = print $text "\\nRunbook: " (replace "&" "&amp;" .) -}}{{- end -}}',
  '  {{- with .page -}}{{- $text = print $text "\\n<" (replace "&" "&amp;" .) "|Open the page>" -}}{{- end -}}',
  `  {{- $blocks = append $blocks ${slackBlock('$text')} -}}`,
  '{{- end -}}',
  `{{- with .cujGate.more -}}{{- $blocks = append $blocks ${slackBlock('printf "and %v more" .')} -}}{{- end -}}`,
  '{{- range .cujGate.commands -}}',
  `  {{- $blocks = append $blocks ${slackBlock('print .label ":\\n```" .command "```"')} -}}`,
  '{{- end -}}',
  '{{ toJson $blocks }}',
];

/** Facts of both kinds of cards, which take links of Markdown. */
const teamsSections = [
  '{{- $sections := list -}}',
  '{{- range .cujGate.measured -}}',
  '  {{- $facts := list (dict "name" .metric "value" .text) -}}',
  '  {{- with .owner -}}{{- $facts = append $facts (dict "name" "Owner" "value" .) -}}{{- end -}}',
  '  {{- with .runbook -}}{{- $facts = append $facts (dict "name" "Runbook" "value" .) -}}{{- end -}}',
  '  {{- with .page -}}{{- $facts = append $facts (dict "name" "Page" "value" (printf "[Open the page](%s)" .)) -}}{{- end -}}',
  '  {{- $sections = append $sections (dict "facts" $facts) -}}',
  '{{- end -}}',
  '{{- $facts := list -}}',
  '{{- with .cujGate.more -}}{{- $facts = append $facts (dict "name" "More" "value" (print .)) -}}{{- end -}}',
  '{{- range .cujGate.commands -}}{{- $facts = append $facts (dict "name" .label "value" .command) -}}{{- end -}}',
  '{{- if $facts -}}{{- $sections = append $sections (dict "facts" $facts) -}}{{- end -}}',
  '{{ toJson $sections }}',
];

/** `analysisRun` is empty where no run is reported; `more` counts the measurements that are left out. */
const webhookBody = [
  '{{- $run := "" -}}{{- with .cujGate.run.metadata -}}{{- $run = .name -}}{{- end -}}',
  '{{- $rollout := dict "namespace" .rollout.metadata.namespace "name" .rollout.metadata.name "revision" .cujGate.revision',
  '  "phase" .rollout.status.phase "message" (print (or .rollout.status.message "")) -}}',
  '{{ toJson (dict "event" .cujGate.event "title" .cujGate.title "text" .cujGate.sentence "rollout" $rollout "analysisRun" $run',
  '  "measurements" .cujGate.measured "more" .cujGate.more "commands" .cujGate.commands) }}',
];
