// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* A patch for a function of the module lab_target: /proc/lab_target reads "fixed". */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int patched_lab_target_show(struct seq_file *m, void *v)
{
	seq_puts(m, "fixed\n");
	return 0;
}

static struct klp_func lab_target_functions[] = {
	{ .old_name = "lab_target_show", .new_func = patched_lab_target_show },
	{ }
};

static struct klp_object objects[] = {
	{ .name = "lab_target", .funcs = lab_target_functions },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static int __init target_fix_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit target_fix_exit(void)
{
}

module_init(target_fix_init);
module_exit(target_fix_exit);
MODULE_DESCRIPTION("Changes what the module lab_target shows");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
