/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026, the kernel.livepatch authors */
/*
 * The kernel keeps its command line in saved_command_line, which modules cannot reach.
 * A patch of /proc/cmdline therefore reads the file once, before it takes the file over.
 */
#ifndef BOOT_COMMAND_LINE_H
#define BOOT_COMMAND_LINE_H

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/string.h>

static char boot_command_line_text[1024];

static inline int read_boot_command_line(void)
{
	struct file *file = filp_open("/proc/cmdline", O_RDONLY, 0);
	char *end;
	ssize_t length;
	loff_t position = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	length = kernel_read(file, boot_command_line_text, sizeof(boot_command_line_text) - 1, &position);
	filp_close(file, NULL);
	if (length < 0)
		return length;

	/* An earlier patch may have added its own word, which is not part of the boot command line. */
	end = strstr(boot_command_line_text, " livepatch=");
	if (!end)
		end = strchrnul(boot_command_line_text, '\n');
	*end = '\0';
	return 0;
}

#endif
