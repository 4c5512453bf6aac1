#include "http/wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "http/tls.h"

bool wire_open(struct wire *wire, int fd, bool tls)
{
	*wire = (struct wire){.fd = fd};
	return !tls || tls_session(&wire->tls, fd);
}

void wire_close(struct wire *wire)
{
	if (wire->tls != NULL)
		gnutls_deinit(wire->tls);
	close(wire->fd);
}

static enum wire_result result_of_tls(long code)
{
	if (code > 0)
		return WIRE_DONE;
	return code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED ? WIRE_AGAIN : WIRE_ENDED;
}

enum wire_result wire_handshake(struct wire *wire)
{
	int code = gnutls_handshake(wire->tls);

	while (code < 0 && gnutls_error_is_fatal(code) == 0 && code != GNUTLS_E_AGAIN)
		code = gnutls_handshake(wire->tls);
	return code == GNUTLS_E_SUCCESS ? WIRE_DONE : result_of_tls(code);
}

static enum wire_result read_tls(struct wire *wire, char *space, size_t bytes_max, size_t *got)
{
	ssize_t count;

	do
		count = gnutls_record_recv(wire->tls, space, bytes_max);
	while (count == GNUTLS_E_INTERRUPTED);
	if (count > 0)
		*got = (size_t)count;
	return result_of_tls(count);
}

enum wire_result wire_read(struct wire *wire, char *space, size_t bytes_max, size_t *got, bool *drained)
{
	*drained = false;
	if (wire->tls != NULL)
		return read_tls(wire, space, bytes_max, got);
	ssize_t count;
	do
		count = recv(wire->fd, space, bytes_max, 0);
	while (count < 0 && errno == EINTR);
	if (count < 0 && errno == EAGAIN)
		return WIRE_AGAIN;
	if (count <= 0)
		return WIRE_ENDED;
	*got = (size_t)count;
	*drained = *got < bytes_max;
	return WIRE_DONE;
}

/* A record that the library could not send whole is its own until it is: then the bytes count (gnutls_record_send). */
static enum wire_result write_record(struct wire *wire, struct str bytes, size_t *sent)
{
	ssize_t count;

	do
		count = wire->tls_unsent ? gnutls_record_send(wire->tls, NULL, 0)
		                              : gnutls_record_send(wire->tls, bytes.ptr, bytes.len);
	while (count == GNUTLS_E_INTERRUPTED);
	wire->tls_unsent = count == GNUTLS_E_AGAIN;
	if (count > 0)
		*sent = (size_t)count;
	return result_of_tls(count);
}

static enum wire_result write_tls(struct wire *wire, struct str first, struct str second, size_t *sent)
{
	enum wire_result result = WIRE_DONE;
	size_t record;

	while (result == WIRE_DONE && first.len + second.len > 0) {
		struct str *next = first.len > 0 ? &first : &second;
		result = write_record(wire, *next, &record);
		if (result != WIRE_DONE)
			return result;
		CHECK(record <= next->len);
		*next = str_skip(*next, record);
		*sent += record;
	}
	return result;
}

static ssize_t send_both(int fd, struct str first, struct str second)
{
	struct iovec parts[2] = {{(void *)(uintptr_t)first.ptr, first.len}, {(void *)(uintptr_t)second.ptr, second.len}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (second.len == 0)
		return send(fd, first.ptr, first.len, MSG_NOSIGNAL);
	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

enum wire_result wire_write(struct wire *wire, struct str first, struct str second, size_t *sent)
{
	*sent = 0;
	if (wire->tls != NULL)
		return write_tls(wire, first, second, sent);
	while (*sent < first.len + second.len) {
		struct str rest = str_skip(first, *sent);
		struct str behind = *sent > first.len ? str_skip(second, *sent - first.len) : second;
		ssize_t count = send_both(wire->fd, rest.len > 0 ? rest : behind, rest.len > 0 ? behind : STR(""));
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return errno == EAGAIN ? WIRE_AGAIN : WIRE_ENDED;
		*sent += (size_t)count;
	}
	return WIRE_DONE;
}

void wire_end(struct wire *wire)
{
	if (wire->tls != NULL)
		(void)gnutls_bye(wire->tls, GNUTLS_SHUT_WR); /* as far as it goes now: who waits for it waits for the end */
	shutdown(wire->fd, SHUT_WR);
}
