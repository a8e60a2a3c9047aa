// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * A patch for a function that the module lab_target does not have. It loads while lab_target is absent; from then on
 * the kernel refuses to load lab_target.
 */
#include <linux/livepatch.h>
#include <linux/module.h>

static void patched_function(void)
{
}

static struct klp_func lab_target_functions[] = {
	{ .old_name = "lab_target_gone", .new_func = patched_function },
	{ }
};

static struct klp_object objects[] = {
	{ .name = "lab_target", .funcs = lab_target_functions },
	{ }
};

MODULE_DESCRIPTION("Patches a function that lab_target does not have");
#include "enable_objects.h"
