/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026, the kernel.livepatch authors */
/*
 * A new full_scans_show(). The kernel has two functions of that name, and shows what they say in
 *
 *	/sys/kernel/mm/ksm/full_scans
 *	/sys/kernel/mm/transparent_hugepage/khugepaged/full_scans
 */
#include <linux/kobject.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/sysfs.h>

static ssize_t patched_full_scans_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "patched\n");
}
