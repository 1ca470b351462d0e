import os
print("Content-Type: text/plain\n")
for name in sorted(os.environ):
    print(f"{name}={os.environ[name]}")
