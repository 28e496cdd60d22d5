import { Command } from './elements.tsx';
import type { NextSteps } from './next-steps.ts';

/** The commands of the next steps, and what they assume. */
export function StepCommands({ steps }: { steps: NextSteps }) {
  return (
    <>
      {steps.commands.length > 0 && (
        <ul class="commands">
          {steps.commands.map(({ what, command }) => (
            <li key={command}>
              <span>{what}</span>
              <Command>{command}</Command>
            </li>
          ))}
        </ul>
      )}
      <p class="note">
        The commands take the service's name for the name of the Rollout, and the current namespace. Change
        them where yours differ.
      </p>
    </>
  );
}
