#ifndef SAMPLE_H
#define SAMPLE_H
#define SAMPLE 1
#endif
