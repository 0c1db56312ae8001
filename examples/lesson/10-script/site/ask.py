import os
import sys

print("Content-Type: text/plain")
print()
print("The method is", os.environ["REQUEST_METHOD"])
print("The query is", os.environ["QUERY_STRING"])
print("The content is", sys.stdin.read())
