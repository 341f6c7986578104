// The official client, unmodified, as anybody would use it. argv: base URL. Exit 0 when everything behaved.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: process.argv[2], apiKey: 'interop-token-0123456789', maxRetries: 0 });

const completion = await client.completions.create({ model: 'm', prompt: 'hello' });
assert.equal(completion.choices[0].text, 'the answer');
assert.equal(completion.usage.total_tokens, 3);

const chat = await client.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'hello' }] });
assert.equal(chat.choices[0].message.content, 'the answer');

// Each event arrives while the answer is still being made.
const times = [];
let text = '';
for await (const part of await client.chat.completions.create(
  { model: 'm', stream: true, messages: [{ role: 'user', content: 'hello' }] })) {
  times.push(performance.now());
  text += part.choices[0].delta.content;
}
assert.equal(text, 'w0 w1 w2 w3 w4 ');
assert.ok(times.at(-1) - times[0] > 40, `events came together: ${times}`);

// Many at once.
const many = await Promise.all(Array.from({ length: 20 }, () => client.completions.create({ model: 'm', prompt: 'hello' })));
assert.ok(many.every((one) => one.choices[0].text === 'the answer'));

// An answer that is cut is an error, never a short success.
await assert.rejects(async () => {
  for await (const part of await client.completions.create({ model: 'm', stream: true, prompt: 'CUT' })) void part;
});

// Leaving cancels the request in the enclave (the script looks for it in the enclave's output).
const endless = await client.completions.create({ model: 'm', stream: true, prompt: 'ENDLESS' });
for await (const part of endless) { void part; break; }

// Errors of the enclave arrive as errors of the API.
const stranger = new OpenAI({ baseURL: process.argv[2], apiKey: 'wrong', maxRetries: 0 });
await assert.rejects(stranger.completions.create({ model: 'm', prompt: 'hello' }), (error) => error.status === 401);

console.log('the official client works: completions, chat, streaming, many at once, cut, cancelled, refused');
