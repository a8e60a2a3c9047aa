// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* A patch whose init function refuses without ready=1, and prints the reason under a prefix of its own. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static bool ready;
module_param(ready, bool, 0444);

static int patched_version_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "own_prefix\n");
	return 0;
}

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "version_proc_show", .new_func = patched_version_proc_show },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static int __init own_prefix_init(void)
{
	if (!ready) {
		printk(KERN_ERR "sec-2026-0001: needs parameter ready=1 on this machine\n");
		return -ENOENT;
	}
	return klp_enable_patch(&patch);
}

static void __exit own_prefix_exit(void)
{
}

module_init(own_prefix_init);
module_exit(own_prefix_exit);
MODULE_DESCRIPTION("Refuses under a prefix of its own");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
