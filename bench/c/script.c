/* The script of the job "script". */
#include <stdio.h>

int main(void)
{
	fputs("Content-Type: text/plain; charset=utf-8\r\n\r\nHello, World!\n", stdout);
	return 0;
}
