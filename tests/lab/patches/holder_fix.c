// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * A patch for lab_hold() of the module lab_holder. Its transition stalls while the thread is held, in both
 * directions: a thread inside the new function cannot go back either. held_by then reads "fixed".
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/string.h>

#include "lab_hold.h"

static void patched_lab_hold(struct lab_hold *hold)
{
	strscpy(hold->held_by, "fixed", sizeof(hold->held_by));
	wait_event_idle(hold->changed, READ_ONCE(hold->released));
	strscpy(hold->held_by, "nobody", sizeof(hold->held_by));
}

static struct klp_func lab_holder_functions[] = {
	{ .old_name = "lab_hold", .new_func = patched_lab_hold },
	{ }
};

static struct klp_object objects[] = {
	{ .name = "lab_holder", .funcs = lab_holder_functions },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static int __init holder_fix_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit holder_fix_exit(void)
{
}

module_init(holder_fix_init);
module_exit(holder_fix_exit);
MODULE_DESCRIPTION("Changes lab_hold(), which a thread may never leave");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
