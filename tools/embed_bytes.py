#!/usr/bin/env python3
"""Embeds a file in a C++ source: embed_bytes.py NAMESPACE CONSTANT INPUT OUTPUT.

OUTPUT defines `extern const std::string_view <CONSTANT>` in the namespace.
"""

import sys


def main():
    namespace, constant, source, target = sys.argv[1:]
    with open(source, "rb") as file:
        data = file.read()
    lines = [", ".join(str(byte) for byte in data[at:at + 32]) for at in range(0, len(data), 32)]
    with open(target, "w", encoding="ascii") as file:
        file.write("#include <string_view>\n\n"
                   f"namespace {namespace} {{\n"
                   "static const unsigned char kBytes[] = {\n" + ",\n".join(lines) + "};\n"
                   f"extern const std::string_view {constant};\n"
                   f"const std::string_view {constant}(reinterpret_cast<const char*>(kBytes), "
                   "sizeof(kBytes));\n"
                   f"}}  // namespace {namespace}\n")


if __name__ == "__main__":
    main()
