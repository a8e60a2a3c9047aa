// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* A patch for the object "lab_target.ko". Modules are not called like their files, so it loads and never patches anything. */
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
	{ .name = "lab_target.ko", .funcs = lab_target_functions },
	{ }
};

MODULE_DESCRIPTION("Patches an object called like a file");
#include "enable_objects.h"
