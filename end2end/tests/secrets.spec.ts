// A password that was entered is nowhere again: not in a page, an answer, the log or the files.

import { expect, expectOutcome, field, open, save, sendTest, test } from '../support/test.ts';

const CANARY = 'Kanarienvogel~7c1e/9+Pq';

/** How the canary may look: as it is, in JSON, URLs, HTML and forms, and at every offset in base64. */
function disguises(secret: string): string[] {
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]).toString('base64').replace(/=+$/, '');
    // Characters at the edges carry bits of their neighbours.
    return text.slice(offset === 0 ? 0 : offset + 1, -1);
  });
  const urlSafe = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'));
  const hex = Buffer.from(secret).toString('hex');
  const utf16 = Buffer.from(secret, 'utf16le').toString('latin1');
  return [secret, encodeURIComponent(secret), secret.replaceAll('/', '\\/'), ...base64, ...urlSafe, hex, hex.toUpperCase(), utf16];
}

function find(where: string, text: string): string[] {
  return disguises(CANARY).filter((form) => text.includes(form)).map((form) => `${form} in ${where}`);
}

test('the search for the canary would find it', () => {
  for (const offset of [0, 1, 2]) {
    const hidden = Buffer.concat([Buffer.from('xyz'.slice(0, offset)), Buffer.from(`${CANARY}tail`)]).toString('base64');
    expect(find('here', hidden)).not.toEqual([]);
  }
  expect(find('here', `password=${encodeURIComponent(CANARY)}`)).not.toEqual([]);
  expect(find('here', 'nothing')).toEqual([]);
});

for (const script of [true, false]) {
  test.describe(script ? 'with scripts' : 'without scripts', () => {
    test.use({ javaScriptEnabled: script, postroomEnv: { POSTROOM_LOG: 'trace', POSTROOM_LOG_FORMAT: 'json' } });

    test('no answer, log line or file holds a password', async ({ page, postroom, mailServer, complaints }) => {
      complaints.expect(/status of 4\d\d/);
      const leaks: string[] = [];
      const bodies: Promise<void>[] = [];
      page.on('response', (response) => {
        leaks.push(...find(`the address ${response.url()}`, response.url()));
        bodies.push(
          (async () => {
            leaks.push(...find(`the headers of ${response.url()}`, JSON.stringify(await response.allHeaders())));
            const body = await response.body().catch(() => Buffer.alloc(0));
            leaks.push(...find(`the body of ${response.url()}`, body.toString('latin1')));
          })().catch(() => undefined),
        );
      });
      const mail = await mailServer({ account: { user: 'anna', password: 'another one' } });
      const { id } = await postroom.create({ name: 'mail', host: '127.0.0.1', port: mail.port });
      const visit = script ? open : async (on: typeof page, path: string) => void (await on.goto(path));
      await visit(page, `/servers/${id}`);
      await field(page, 'SMTP username').fill('anna');
      await field(page, 'Allow credentials without encryption').check();
      // Refused first: the form comes back.
      await field(page, 'SMTP port').fill('0');
      await field(page, 'SMTP password').fill(CANARY);
      await field(page, 'Confirm SMTP password').fill(CANARY);
      await page.getByRole('button', { name: 'Save', exact: true }).click();
      await expect(page.getByText(/Port 0 isn't possible/).first()).toBeVisible();
      // Then tried before it is saved: the server refuses it.
      await field(page, 'SMTP port').fill(String(mail.port));
      await field(page, 'SMTP password').fill(CANARY);
      await field(page, 'Confirm SMTP password').fill(CANARY);
      await sendTest(page, 'scan@example.com', 'anna@example.com');
      await expectOutcome(page, /^Not sent\./);
      expect(mail.signIns).toEqual([`anna:${CANARY}`]);
      // Then saved, and tried as it is stored.
      await field(page, 'SMTP password').fill(CANARY);
      await field(page, 'Confirm SMTP password').fill(CANARY);
      await save(page);
      await visit(page, `/servers/${id}`);
      await sendTest(page, 'scan@example.com', 'anna@example.com');
      await expectOutcome(page, /^Not sent\./);
      await expect.poll(() => mail.signIns.length).toBe(2);
      expect(mail.signIns[1]).toBe(`anna:${CANARY}`);
      // Looking at the certificate says nothing of it either.
      await visit(page, `/servers/${id}`);
      await page.getByText('Change password').click();
      await field(page, 'SMTP password').fill(CANARY);
      await field(page, 'Confirm SMTP password').fill(CANARY);
      await page.getByRole('button', { name: 'Inspect certificate' }).click();
      await expect(page.getByText(/^Not inspected\./)).toBeVisible();
      expect(mail.signIns).toHaveLength(2);
      page.once('dialog', (dialog) => void dialog.accept());
      // The password of a file that doesn't open, and a key that is where none belongs.
      for (const [path, button, label] of [
        ['/certificates/import', 'Preview', 'Password of the store'],
        [`/servers/${id}/client-certificate`, 'Keep this certificate', 'Password of the file'],
      ] as const) {
        await visit(page, path);
        await page.getByLabel('Or paste PEM').fill(`-----BEGIN PRIVATE KEY-----\n${Buffer.from(CANARY).toString('base64')}\n-----END PRIVATE KEY-----\n`);
        await page.getByLabel(label).fill(CANARY);
        await page.getByRole('button', { name: button }).click();
        await expect(page.getByText(/private key/i).first()).toBeVisible();
      }
      // The history, whole, and on the page.
      const { runs } = await postroom.api<{ runs: { id: number }[] }>(`servers/runs?id=${id}`);
      expect(runs).toHaveLength(2);
      for (const run of runs) {
        leaks.push(...find(`the run ${run.id}`, JSON.stringify(await postroom.api(`runs/get?run=${run.id}`))));
        await visit(page, `/servers/${id}?run=${run.id}`);
        await expectOutcome(page, /^Not sent\./);
      }
      // The API, with everything it has to say, also about mistakes.
      for (const path of ['servers', `servers/get?id=${id}`, 'certificates']) leaks.push(...find(`/api/${path}`, JSON.stringify(await postroom.api(path))));
      const wrong = await fetch(`${postroom.url}/api/servers/save`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...postroom.headers },
        body: JSON.stringify({ id, version: 1, server: { password: { value: CANARY, extra: CANARY }, [CANARY]: 1 } }),
      });
      // What a caller calls a key is the caller's own; a value must not come back.
      leaks.push(...find('the answer to an unknown key', (await wrong.text()).replaceAll(`\`${CANARY}\``, '')));
      const preview = await fetch(`${postroom.url}/api/certificates/preview`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...postroom.headers },
        body: JSON.stringify({ file: Buffer.from(CANARY).toString('base64'), password: { value: CANARY } }),
      });
      leaks.push(...find('the answer to a file that is none', await preview.text()));
      await visit(page, '/');
      await page.goto(`/servers/trash?id=${id}`);
      await page.getByRole('button', { name: 'Trash mail' }).click();
      await expect(page.getByRole('button', { name: 'Undo' })).toBeVisible();

      await Promise.all(bodies);
      await postroom.stop();
      leaks.push(...find('the log', postroom.log));
      for (const [name, bytes] of await postroom.files()) leaks.push(...find(name, bytes.toString('latin1')));
      expect(postroom.log).toContain('answered');
      expect(leaks).toEqual([]);
    });
  });
}

test('the key lies beside the database and nobody else may read either', async ({ postroom }) => {
  await postroom.create({ name: 'mail', username: 'anna', password: { value: CANARY } });
  const { stat } = await import('node:fs/promises');
  const files = [...(await postroom.files()).keys()];
  expect(files.length).toBeGreaterThanOrEqual(2);
  const open = [];
  for (const file of files) if (((await stat(file)).mode & 0o077) !== 0) open.push(file);
  const directory = (await stat(postroom.dataDir)).mode & 0o077;
  // Either the directory keeps others out, or each file does.
  if (directory !== 0) expect(open).toEqual([]);
});
