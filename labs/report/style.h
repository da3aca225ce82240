/* SPDX-License-Identifier: MIT
 *
 * How the page looks, on a screen (light or dark) and on paper. */
#ifndef LABS_REPORT_STYLE_H
#define LABS_REPORT_STYLE_H

extern const char report_style[];

#endif
