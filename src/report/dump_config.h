/* `httpd -t -D DUMP_MPM_ADAPTIVE`: what would be in force with this configuration on this machine,
 * without a start. */
#ifndef ADP_DUMP_CONFIG_H
#define ADP_DUMP_CONFIG_H

/* The module's register_hooks. */
void dump_config_register_hooks(void);

#endif
