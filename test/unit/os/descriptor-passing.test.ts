import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSocketPair, sendDescriptors } from '../../../src/os/descriptor-passing.js';
import { hasCode } from '../../../src/os/libc.js';

/** Prints what comes on its descriptor 3, and the inodes of the descriptors that come along. */
const RECEIVER = `
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
int main(void) {
    char bytes[64] = "", space[256];
    struct iovec part = {bytes, sizeof bytes - 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    if (recvmsg(3, &message, 0) < 0) return 1;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    int fds[8], count = (int)((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds, CMSG_DATA(rights), sizeof(int) * count);
    for (int i = 0; i < count; i++) {
        struct stat st;
        fstat(fds[i], &st);
        printf("%s %lu\\n", bytes, (unsigned long)st.st_ino);
    }
    return 0;
}
`;

function buildReceiver(folder: string): string {
  const path = join(folder, 'receiver');
  const built = spawnSync('cc', ['-x', 'c', '-o', path, '-'], { input: RECEIVER, encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  return path;
}

test('bytes and descriptors arrive together', (context) => {
  const [ours, theirs] = openSocketPair();
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-passing-'));
  const files = [openSync('/dev/null', 'r'), openSync('/proc/self/stat', 'r')];
  context.after(() => {
    for (const fd of [ours, theirs, ...files]) closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  sendDescriptors(ours, Buffer.from('take'), files);
  const receiver = spawnSync(buildReceiver(folder), [], { stdio: ['ignore', 'pipe', 'inherit', theirs] });
  const expected = files.map((fd) => `take ${fstatSync(fd).ino}\n`).join('');
  assert.equal(receiver.stdout.toString(), expected);
});

test('both ends of a pair are connected and closed on exec', (context) => {
  const [one, other] = openSocketPair();
  context.after(() => {
    for (const fd of [one, other]) closeSync(fd);
  });
  writeSync(one, 'word');
  const bytes = Buffer.alloc(8);
  assert.equal(bytes.subarray(0, readSync(other, bytes)).toString(), 'word');
  const listed = spawnSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' }).stdout;
  assert.ok(!listed.includes(`socket:[${fstatSync(one).ino}]`), listed);
});

test('a peer that has gone is told as an error, not by a signal', () => {
  const [ours, theirs] = openSocketPair();
  closeSync(theirs);
  assert.throws(
    () => sendDescriptors(ours, Buffer.from('x'), [ours]),
    (error) => hasCode(error, 'EPIPE'),
  );
  closeSync(ours);
});
