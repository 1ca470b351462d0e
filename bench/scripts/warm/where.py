#!/usr/bin/python3
import os
print("Content-Type: text/plain\n\n" + ("cold", "warm")["warm" in os.readlink("/proc/self/exe")])
