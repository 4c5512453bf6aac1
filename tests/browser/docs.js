// A person with a browser: opens /docs, authorises, creates an event by "Execute", and reads it back.
// usage: node docs.js ADDRESS TOKEN [SCREENSHOT]; prints what happened as one JSON object.
"use strict";

const { chromium } = require("playwright-core");

const [address, token, screenshot] = process.argv.slice(2);
const seen = { title: null, foreign: [], console: [], created: null, read: null, refused: null };

async function execute(page, operation) {
	const block = page.locator(`[id="operations-${operation}"]`);
	await block.locator("button.execute").click();
	const row = block.locator(".live-responses-table .response").first();
	await row.waitFor();
	const status = Number(await row.locator(".response-col_status").innerText().then((text) => text.split(/\s/)[0]));
	return { status, body: await row.locator(".highlight-code pre").first().innerText() };
}

async function open(page, operation) {
	await page.locator(`[id="operations-${operation}"] .opblock-summary-control`).click();
	await page.locator(`[id="operations-${operation}"] button.execute`).waitFor();
}

async function authorise(page) {
	await page.locator("button.authorize").first().click();
	const dialog = page.locator(".modal-ux");
	await dialog.locator("input").fill(token);
	await dialog.locator("button.authorize").click();
	await dialog.locator("button.btn-done").click();
}

async function story(page) {
	await page.goto(`${address}/docs`);
	await page.locator(".opblock").first().waitFor();
	seen.title = await page.title();
	if (screenshot) {
		await page.evaluate(() => document.fonts.ready);
		await page.screenshot({ path: screenshot });
	}
	await open(page, "Events-listEvents");
	seen.refused = await execute(page, "Events-listEvents");
	await authorise(page);
	await open(page, "Admin-createEvent");
	seen.link = page.url();
	seen.created = await execute(page, "Admin-createEvent");
	await open(page, "Events-getEvent");
	await page.locator('[id="operations-Events-getEvent"] tr[data-param-name="id"] input').fill(
		String(JSON.parse(seen.created.body).id));
	seen.read = await execute(page, "Events-getEvent");
}

async function main() {
	const browser = await chromium.launch({
		executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
		args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync"],
	});
	try {
		const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
		page.setDefaultTimeout(20000);
		page.on("request", (request) => {
			if (!request.url().startsWith(address) && !request.url().startsWith("data:"))
				seen.foreign.push(request.url());
		});
		page.on("console", (message) => {
			if (message.type() === "error" || message.type() === "warning") seen.console.push(message.text());
		});
		page.on("pageerror", (error) => seen.console.push(String(error)));
		await story(page);
	} finally {
		await browser.close();
	}
	console.log(JSON.stringify(seen));
}

main().catch((error) => {
	console.error(error);
	console.error(JSON.stringify(seen));
	process.exit(1);
});
