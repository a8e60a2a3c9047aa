// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * A patch with what makes the way back harder: callbacks, which count in the parameter `calls`, and a shadow variable. It
 * replaces other patches.
 * /proc/cmdline reads "side effects 1", the number of times that it was read.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#define READ_COUNT 1

static int calls;
module_param(calls, int, 0444);
MODULE_PARM_DESC(calls, "how many callbacks have run");

/* What the shadow variable hangs on. */
static char anchor;

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	int *count = klp_shadow_get_or_alloc(&anchor, READ_COUNT, sizeof(*count), GFP_KERNEL, NULL, NULL);

	if (!count)
		return -ENOMEM;
	seq_printf(m, "side effects %d\n", ++*count);
	return 0;
}

static int pre_patch(struct klp_object *object)
{
	calls++;
	return 0;
}

static void post_unpatch(struct klp_object *object)
{
	klp_shadow_free_all(READ_COUNT, NULL);
}

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "cmdline_proc_show", .new_func = patched_cmdline_proc_show },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions, .callbacks = { .pre_patch = pre_patch, .post_unpatch = post_unpatch } },
	{ }
};

#define REPLACES
MODULE_DESCRIPTION("Has callbacks and a shadow variable");
#include "enable_objects.h"
