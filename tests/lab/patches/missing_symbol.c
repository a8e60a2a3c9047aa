// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* A patch for a function that no kernel has: loading it fails, and the kernel log names the function. */
#include <linux/livepatch.h>
#include <linux/module.h>

static void patched_function(void)
{
}

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "lab_no_such_function", .new_func = patched_function },
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

static int __init missing_symbol_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit missing_symbol_exit(void)
{
}

module_init(missing_symbol_init);
module_exit(missing_symbol_exit);
MODULE_DESCRIPTION("Patches a function that does not exist");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
