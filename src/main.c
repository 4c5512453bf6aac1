#include <stdio.h>

int main(void)
{
	puts("evently 0.1.0");
	return 0;
}
