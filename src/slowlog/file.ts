import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** A pipe that nobody reads is an error, not something to wait for. */
const APPEND =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;
const OWNER_ONLY = 0o600;

/**
 * Opens the file, adds the text and closes it: it may have been moved away since.
 *
 * @throws the system's error
 */
export async function appendToFile(path: string, text: string): Promise<void> {
  const file = await open(path, APPEND, OWNER_ONLY);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}
