// What every client says to the runner: see session.go.
const control = process.env.COMPAT_CONTROL;

async function ask(path, body) {
  const answer = await fetch(control + path, body ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {});
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return answer.json();
}

export const version = (text) => ask("/version", { detail: text });

// feature runs what returns whether all is as it should be, or throws.
export async function feature(name, run) {
  await ask("/begin", { check: name });
  try {
    const got = await run();
    await ask("/end", { check: name, ok: got === true, detail: String(JSON.stringify(got)).slice(0, 500) });
  } catch (e) {
    await ask("/end", { check: name, ok: false, detail: String(e?.stack ?? e).slice(0, 1500) });
  }
}

// errors runs every scenario; describe returns status and code of what was thrown.
export async function errors(call, describe) {
  for (const name of await ask("/errors")) {
    const scenario = await ask("/begin", { check: name });
    const said = { check: name };
    try {
      await call(scenario);
      said.ok = true;
    } catch (e) {
      const { status, code, error = e } = describe(e);
      Object.assign(said, { class: error.constructor.name, status: status ?? 0, code: code ?? "", message: String(error.message).slice(0, 500) });
    }
    await ask("/end", said);
  }
}
