#include "auth/keyring.h"

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"

static bool start_fetching(struct keyring *keyring, const struct config *config, struct buf *problem)
{
	keyring->jwks = jwks_fetch_start(config, &jwks_fetch_timing_usual, keyring->authenticator);
	if (keyring->jwks == NULL)
		buf_lit(problem, "JWT_JWKS_URL: not enough memory or threads to fetch it");
	return keyring->jwks != NULL;
}

bool keyring_open(struct keyring *keyring, const struct config *config, struct str generated_secret,
                  struct buf *problem)
{
	keyring->due_ns = UINT64_MAX;
	if (!keys_load(&keyring->keys, config, generated_secret, problem))
		return false;
	keyring->authenticator = authenticator_create(keyring->keys);
	if (keyring->authenticator == NULL) {
		buf_lit(problem, "not enough memory for the token tables");
		return false;
	}
	if (!jwks_fetch_wanted(config))
		return true;
	if (!start_fetching(keyring, config, problem))
		return false;
	if (!jwks_fetch_wait(keyring->jwks, KEYRING_FETCH_WAIT_MS))
		log_warning("auth", "JWT_JWKS_URL has not answered yet: tokens of its keys are refused until it does");
	return true;
}

void keyring_close(struct keyring *keyring)
{
	jwks_fetch_stop(keyring->jwks);
	authenticator_destroy(keyring->authenticator);
	keys_unref(keyring->keys);
	*keyring = (struct keyring){.due_ns = UINT64_MAX};
}

/* `fresh` becomes the ring's set; the one before loses its reference. */
static void replace(struct keyring *keyring, struct keys *fresh)
{
	keys_unref(keyring->keys);
	keyring->keys = fresh;
	keyring->due_ns = keys_next_end_ns(fresh, clock_monotonic_ns());
}

static bool reload_fetched(struct keyring *keyring, const struct config *config, struct keys *fresh,
                           struct buf *problem)
{
	if (keyring->jwks == NULL) {
		if (!start_fetching(keyring, config, problem)) {
			keys_unref(fresh);
			return false;
		}
		authenticator_set_keys(keyring->authenticator, fresh);
	} else if (!jwks_fetch_set_config(keyring->jwks, config)) {
		buf_lit(problem, "JWT_JWKS_URL: not enough memory");
		keys_unref(fresh);
		return false;
	}
	replace(keyring, fresh);
	return true;
}

static void take_over(struct keyring *keyring, struct keys *fresh, int64_t grace_s)
{
	if (keys_same(fresh, keyring->keys)) {
		keys_unref(fresh);
		return;
	}
	if (grace_s > 0)
		keys_accept_older(fresh, keyring->keys, clock_monotonic_ns() + (uint64_t)grace_s * CLOCK_SECOND);
	authenticator_set_keys(keyring->authenticator, fresh);
	replace(keyring, fresh);
	log_info("auth", "new keys: those before are accepted for %lld s more", (long long)grace_s);
}

bool keyring_reload(struct keyring *keyring, const struct config *config, struct str generated_secret,
                    struct buf *problem)
{
	struct keys *fresh;

	if (!keys_load(&fresh, config, generated_secret, problem))
		return false;
	if (jwks_fetch_wanted(config))
		return reload_fetched(keyring, config, fresh, problem);
	if (keyring->jwks == NULL) {
		take_over(keyring, fresh, config->jwt_grace_s);
		return true;
	}
	jwks_fetch_stop(keyring->jwks);
	keyring->jwks = NULL;
	authenticator_set_keys(keyring->authenticator, fresh);
	replace(keyring, fresh);
	return true;
}

void keyring_expire(struct keyring *keyring)
{
	if (clock_monotonic_ns() < keyring->due_ns)
		return;
	authenticator_set_keys(keyring->authenticator, keyring->keys);
	keyring->due_ns = keys_next_end_ns(keyring->keys, clock_monotonic_ns());
	log_info("auth", "the keys from before a reload are accepted no longer");
}
