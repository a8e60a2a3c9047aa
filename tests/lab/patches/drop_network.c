// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * A patch that cuts a host off: it drops all TCP, UDP and ICMP that the host receives over IPv4, ssh with it. Nothing but
 * the host itself can take it back.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/skbuff.h>

static int patched_tcp_v4_rcv(struct sk_buff *skb)
{
	kfree_skb(skb);
	return 0;
}

static int patched_udp_rcv(struct sk_buff *skb)
{
	kfree_skb(skb);
	return 0;
}

static int patched_icmp_rcv(struct sk_buff *skb)
{
	kfree_skb(skb);
	return 0;
}

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "tcp_v4_rcv", .new_func = patched_tcp_v4_rcv },
	{ .old_name = "udp_rcv", .new_func = patched_udp_rcv },
	{ .old_name = "icmp_rcv", .new_func = patched_icmp_rcv },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions },
	{ }
};

MODULE_DESCRIPTION("Drops what the host receives over IPv4");
#include "enable_objects.h"
