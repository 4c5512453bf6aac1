// Shows /openapi.json with Swagger UI. Everything comes from this service: nothing is loaded from elsewhere.
"use strict";

window.ui = SwaggerUIBundle({
	url: "/openapi.json",
	dom_id: "#docs",
	presets: [SwaggerUIBundle.presets.apis],
	layout: "BaseLayout",
	deepLinking: true,
	displayRequestDuration: true,
	docExpansion: "list",
	filter: false,
	tryItOutEnabled: true,
	persistAuthorization: false, // a token is not left in the browser's storage
	validatorUrl: null,
	defaultModelsExpandDepth: 0,
});
