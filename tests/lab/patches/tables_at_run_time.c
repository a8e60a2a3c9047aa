// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * A patch whose tables are built when it is loaded, so that no tool can read them out of the file:
 * /proc/cmdline reads "tables at run time".
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

struct tables {
	struct klp_patch patch;
	/* Each ends in an empty entry. */
	struct klp_object objects[2];
	struct klp_func functions[2];
};

static struct tables *tables;

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "tables at run time\n");
	return 0;
}

static int __init tables_at_run_time_init(void)
{
	int error;

	tables = kzalloc(sizeof(*tables), GFP_KERNEL);
	if (!tables)
		return -ENOMEM;
	tables->functions[0].old_name = "cmdline_proc_show";
	tables->functions[0].new_func = patched_cmdline_proc_show;
	tables->objects[0].funcs = tables->functions;
	tables->patch.mod = THIS_MODULE;
	tables->patch.objs = tables->objects;
	error = klp_enable_patch(&tables->patch);
	if (error)
		kfree(tables);
	return error;
}

static void __exit tables_at_run_time_exit(void)
{
	kfree(tables);
}

module_init(tables_at_run_time_init);
module_exit(tables_at_run_time_exit);
MODULE_DESCRIPTION("Builds its tables when it is loaded");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
