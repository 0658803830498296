/* What a RequestReadTimeout line says about the time that a client has for its first byte.
 *
 * mod_reqtimeout keeps these times once a thread serves the connection. While a connection waits
 * for its first byte without a thread, that is up to us (first_byte.c). Pure C: no httpd.
 */
#ifndef ADP_REQTIMEOUT_H
#define ADP_REQTIMEOUT_H

/* The line does not mention the stage. */
#define REQTIMEOUT_NOT_SET (-1)

/* Seconds that the arguments of a RequestReadTimeout line give a stage ("handshake", "header") in
 * which nothing has come yet: of "header=20-40,MinRate=500" that is 20, because only what has
 * come can prolong it. 0: no limit. What mod_reqtimeout would refuse counts as not set. */
long reqtimeout_stage_s(const char *args, const char *stage);

#endif
