// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * An ordinary module to be patched by target_fix: /proc/lab_target reads "original".
 * It is also the file that is a good module and not a live patch.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static int lab_target_show(struct seq_file *m, void *v)
{
	seq_puts(m, "original\n");
	return 0;
}

static int __init lab_target_init(void)
{
	return proc_create_single("lab_target", 0444, NULL, lab_target_show) ? 0 : -ENOMEM;
}

static void __exit lab_target_exit(void)
{
	remove_proc_entry("lab_target", NULL);
}

module_init(lab_target_init);
module_exit(lab_target_exit);
MODULE_DESCRIPTION("Shows a text in /proc/lab_target");
MODULE_LICENSE("GPL");
