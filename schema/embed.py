#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns schema files into a C source, so that a reader needs no file to know them.

usage: embed.py OUTPUT INPUT...
host.xsd becomes `const char schema_host[]`.
"""
import pathlib
import sys


def array(path):
    data = pathlib.Path(path).read_bytes() + b"\0"
    rows = [", ".join(str(b) for b in data[i : i + 20]) for i in range(0, len(data), 20)]
    name = "schema_" + pathlib.Path(path).stem
    return "const char %s[] = {\n    %s};\n" % (name, ",\n    ".join(rows))


out = ['#include "config/config_schema.h"\n\n'] + [array(path) for path in sys.argv[2:]]
pathlib.Path(sys.argv[1]).write_text("".join(out))
