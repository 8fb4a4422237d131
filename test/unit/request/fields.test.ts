import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeParams } from '../../../src/fastcgi/encode.js';
import { NO_REQUEST, requestFields } from '../../../src/request/fields.js';

/** The pairs alone, as a slot holds them: what one PARAMS record carries behind its 8 bytes of header. */
function slotBytes(params: Readonly<Record<string, string | Buffer>>): Buffer {
  const record = encodeParams(1, Object.entries(params));
  return record.subarray(8, 8 + record.readUInt16BE(4));
}

function fieldsOf(params: Readonly<Record<string, string | Buffer>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(requestFields(slotBytes(params))).map(([name, value]) => [name, value.toString()]),
  );
}

test('a usual request shows its script name as URI', () => {
  const fields = fieldsOf({
    REQUEST_METHOD: 'POST',
    SCRIPT_NAME: '/index.php',
    REQUEST_URI: '/pretty/url?a=1',
    QUERY_STRING: 'a=1',
    SCRIPT_FILENAME: '/srv/app/index.php',
    CONTENT_LENGTH: '77',
    HTTP_AUTHORIZATION: `Basic ${Buffer.from('joe:secret').toString('base64')}`,
    REMOTE_USER: 'nobody',
  });
  assert.deepEqual(fields, {
    method: 'POST',
    uri: '/index.php',
    query: 'a=1',
    user: 'joe',
    script: '/srv/app/index.php',
    contentLength: '77',
  });
});

test('values are cut to what php-fpm keeps', () => {
  const fields = fieldsOf({
    REQUEST_METHOD: 'A'.repeat(40),
    SCRIPT_NAME: `/${'u'.repeat(1000)}`,
    QUERY_STRING: 'q'.repeat(1000),
    SCRIPT_FILENAME: `/${'s'.repeat(1000)}`,
    HTTP_AUTHORIZATION: `Basic ${Buffer.from(`${'n'.repeat(100)}:x`).toString('base64')}`,
  });
  const lengths = [fields.method, fields.uri, fields.query, fields.script, fields.user].map(
    (text) => text?.length,
  );
  assert.deepEqual(lengths, [15, 127, 511, 255, 31]);
});

test('a value ends at its first NUL', () => {
  assert.equal(fieldsOf({ SCRIPT_NAME: '/a\0b' }).uri, '/a');
});

test('bytes stay as they are', () => {
  const uri = Buffer.of(0x2f, 0xff, 0xc3, 0x0a);
  assert.deepEqual(requestFields(slotBytes({ SCRIPT_NAME: uri })).uri, uri);
});

// Each row was put to php-fpm 8.2.36, but for the negative one.
test('the content length is read as C does', () => {
  const rows: [string, string][] = [
    ['5', '5'],
    [' 12', '12'],
    ['12abc', '12'],
    ['+7', '7'],
    ['abc', '0'],
    ['0x10', '0'],
    ['', '0'],
    ['-5', '0'],
    ['0000000000000000000000005', '5'],
    ['4294967296', '4294967296'],
    ['9223372036854775807', '9223372036854775807'],
    ['99999999999999999999', '9223372036854775807'],
    ['9'.repeat(5000), '9223372036854775807'],
  ];
  for (const [sent, length] of rows) {
    assert.equal(fieldsOf({ CONTENT_LENGTH: sent }).contentLength, length, sent.slice(0, 30));
  }
});

// Each row was put to php-fpm 8.2.36.
test('the user is read as leniently as PHP does', () => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  const rows: [string, string][] = [
    [basic('joe:pw'), 'joe'],
    [basic('joe:'), 'joe'],
    ['basic am9lOnB3', 'joe'],
    ['BASIC  am9lOnB3', 'joe'],
    ['Basic !am9lOnB3', 'joe'],
    ['Basic am9lOnB3 trail', 'joe'],
    ['Basic am9l\nOnB3', 'joe'],
    ['Basic am9lOnB3=A', 'joe'],
    ['Basic am9=lOnB3', 'joe'],
    ['Basic am8_Pjpwdw==', ''],
    [basic('joe'), ''],
    [basic(':pw'), ''],
    [basic('j\0x:pw'), ''],
    ['Basic\tam9lOnB3', ''],
    ['Basic', ''],
    ['Bearer x', ''],
    ['Digest username="joe"', ''],
    ['', ''],
  ];
  for (const [sent, user] of rows) {
    assert.equal(fieldsOf({ HTTP_AUTHORIZATION: sent }).user, user, sent);
  }
});

// Each row was put to php-fpm 8.2.36.
test('path info is taken off the script and, by its rules, off the URI', () => {
  const rows: [Record<string, string>, uri: string, script: string][] = [
    [{ SCRIPT_FILENAME: '/srv/v.php', SCRIPT_NAME: '/v.php' }, '/v.php', '/srv/v.php'],
    [
      { SCRIPT_FILENAME: '/srv/v.php/pi/x', SCRIPT_NAME: '/v.php/pi/x', PATH_INFO: '/v.php/pi/x' },
      '/v.php',
      '/srv/v.php',
    ],
    [{ SCRIPT_FILENAME: '/srv/v.php/pi/x', SCRIPT_NAME: '/v.php/pi/x' }, '/v.php/pi/x', '/srv/v.php'],
    [
      { SCRIPT_FILENAME: '/srv/v.php/pi/x', SCRIPT_NAME: '/v.php/pi/x', PATH_INFO: '/pi/x' },
      '/v.php/pi/x',
      '/srv/v.php',
    ],
    [
      { SCRIPT_FILENAME: 'proxy:fcgi://h:9000/srv/v.php/pi?q=1', SCRIPT_NAME: '/v.php/pi' },
      '/v.php',
      '/srv/v.php',
    ],
    [
      { SCRIPT_FILENAME: 'proxy:balancer://h/srv/v.php/p%20i', SCRIPT_NAME: '/v.php/p i' },
      '/v.php/p i',
      '/srv/v.php',
    ],
    [{ PATH_TRANSLATED: '/srv/v.php', SCRIPT_NAME: '/v.php' }, '/v.php', '/srv/v.php'],
  ];
  for (const [params, uri, script] of rows) {
    const fields = fieldsOf(params);
    assert.deepEqual([fields.uri, fields.script], [uri, script], JSON.stringify(params));
  }
});

test('params cut at any byte, and any bytes at all, give fields', () => {
  const whole = slotBytes({ REQUEST_METHOD: 'GET', SCRIPT_NAME: '/i.php', QUERY_STRING: 'x'.repeat(200) });
  for (let length = 0; length <= whole.length; length += 1) requestFields(whole.subarray(0, length));
  assert.equal(requestFields(whole.subarray(0, -50)).query.toString(), 'x'.repeat(150));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (array) => {
      assert.ok(requestFields(Buffer.from(array)).uri.length <= 127);
    }),
  );
});

test('fields do not keep the bytes that they came from', () => {
  const bytes = slotBytes({ SCRIPT_NAME: '/i.php' });
  const { uri } = requestFields(bytes);
  bytes.fill(0);
  assert.equal(uri.toString(), '/i.php');
});

test('a worker that served nothing has empty fields', () => {
  assert.deepEqual(Object.values(NO_REQUEST).map(String), ['', '', '', '', '', '0']);
});
