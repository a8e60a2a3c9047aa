// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* A patch for the object "lab-target". Modules' names have no dash, so it loads and never patches anything. */
#include <linux/livepatch.h>
#include <linux/module.h>

static void patched_function(void)
{
}

static struct klp_func lab_target_functions[] = {
	{ .old_name = "lab_target_show", .new_func = patched_function },
	{ }
};

static struct klp_object objects[] = {
	{ .name = "lab-target", .funcs = lab_target_functions },
	{ }
};

MODULE_DESCRIPTION("Patches an object whose name no module has");
#include "enable_objects.h"
