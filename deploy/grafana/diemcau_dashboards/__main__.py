"""Write the dashboards that stand beside this folder anew."""

from diemcau_dashboards.written import write

for file in write():
    print(file)
