// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * An ordinary module that puts a kprobe on a function and counts its hits. With a post_handler, the kprobe on a function's
 * entry can change where the function goes on, and a live patch cannot share the function with it.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

static char *function = "cmdline_proc_show";
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "the function");

static int offset;
module_param(offset, int, 0444);
MODULE_PARM_DESC(offset, "where in the function, in bytes; the call of ftrace at its entry takes 5");

static int hits;
module_param(hits, int, 0444);
MODULE_PARM_DESC(hits, "how often the kprobe was hit");

static bool post_handler;
module_param(post_handler, bool, 0444);
MODULE_PARM_DESC(post_handler, "whether the kprobe has a post_handler");

static int count_hit(struct kprobe *probe, struct pt_regs *registers)
{
	hits++;
	return 0;
}

static void do_nothing(struct kprobe *probe, struct pt_regs *registers, unsigned long flags)
{
}

static struct kprobe probe;

static int __init lab_kprobe_init(void)
{
	probe.symbol_name = function;
	probe.offset = offset;
	probe.pre_handler = count_hit;
	if (post_handler)
		probe.post_handler = do_nothing;
	return register_kprobe(&probe);
}

static void __exit lab_kprobe_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(lab_kprobe_init);
module_exit(lab_kprobe_exit);
MODULE_DESCRIPTION("Puts a kprobe on a function");
MODULE_LICENSE("GPL");
